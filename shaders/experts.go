package shaders

// MaxExperts is the largest number of experts that "route" chooses among; what it shares of them fits 4 KiB.
const MaxExperts = 512

// ExpertTilesAt and ExpertTileWords place the tiles in an expert list, in 32-bit words.
const (
	ExpertTilesAt   = 16
	ExpertTileWords = 4
)

// ExpertList is the layout of the list that "expert_tiles" makes of a routing, in 32-bit words:
//
//	args   [3]{x, y, z, –}                     groups of indirect dispatches of "mul_mat"
//	tiles  [Tiles()]{expert, first, columns, –}
//	pairs  [Rows·Used]                         token·Used + rank, in the order of their experts
//
// How many tiles there are is data; Tiles is the bound that memory is planned for: each expert may leave one tile partly
// empty.
type ExpertList struct{ Rows, Used, Experts, Width int }

// Tiles is the largest number of tiles; Words is the size of the whole list.
func (l ExpertList) Tiles() int {
	pairs := l.Rows * l.Used
	return pairs/l.Width + min(l.Experts, pairs)
}
func (l ExpertList) PairsAt() int { return ExpertTilesAt + ExpertTileWords*l.Tiles() }
func (l ExpertList) Words() int   { return l.PairsAt() + l.Rows*l.Used }
