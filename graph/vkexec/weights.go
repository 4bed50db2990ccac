package vkexec

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
)

// Source finds a weight by its canonical name.
type Source func(name string) (quant.Source, error)

// matrix is a pack in device memory, cut between rows into shards that one binding may cover.
type matrix struct {
	pack   *graph.Pack
	layout quant.Layout
	cols   int
	shards []shard
	bytes  uint64 // of all planes, without padding
}

// shard holds rows [first, first+rows) of a pack, one range per plane.
type shard struct {
	first, rows int
	buffer      *vk.Buffer
	planes      []vk.Range
	book        vk.Range // what the layout's places are looked up in; no buffer for a layout without
}

// weights are all parameters of a model on the device.
type weights struct {
	matrices map[string]*matrix
	vectors  map[string]vk.Range
	greatest map[string]float64  // magnitude in a vector
	orders   map[*int32]vk.Range // of gathers, by the first element
	buffer   *vk.Buffer          // of the vectors and orders
	books    map[quant.LayoutKind]*vk.Buffer
	bytes    uint64
}

// matrixBytes is the size of a pack's planes.
func matrixBytes(p *graph.Pack) uint64 {
	return uint64(p.Rows()) * uint64(p.Layout().RowBytes(p.Cols()))
}

// WeightBytes is the device memory that the weights of g take, padding aside.
func WeightBytes(g *graph.Graph) uint64 {
	n := codebookBytes(g)
	for _, p := range g.Packs() {
		n += matrixBytes(p)
	}
	for _, w := range g.Vectors() {
		n += uint64(w.Cols) * 4
	}
	for _, order := range g.Orders() {
		n += uint64(len(order)) * 4
	}
	return n
}

// shardRows is how many rows of the pack one shard may hold: every plane within one binding, the whole within one
// buffer, and an even number, so that gate and up rows stay together.
func shardRows(p *graph.Pack, caps *vk.Caps) (int, error) {
	l, cols := p.Layout(), p.Cols()
	rows := uint64(p.Rows())
	for i := range l.Planes() {
		rows = min(rows, caps.MaxStorageBufferRange/uint64(l.PlaneRowBytes(i, cols)))
	}
	padding := uint64(l.Planes()) * graph.ArenaAlign
	if m := min(caps.MaxBufferSize, caps.MaxAllocationSize); m > padding {
		rows = min(rows, (m-padding)/uint64(l.RowBytes(cols)))
	}
	if p.Experts > 0 {
		return shardExperts(p, caps, rows)
	}
	if rows < uint64(p.Rows()) {
		if rows > 64 {
			rows = rows / 32 * 32
		} else {
			rows = rows / 2 * 2
		}
	}
	if rows == 0 {
		return 0, fmt.Errorf("vkexec: two rows of %s (%d bytes each) do not fit the %d bytes that this device lets a shader see",
			p.Name, l.RowBytes(cols), caps.MaxStorageBufferRange)
	}
	return int(rows), nil
}

// shardsOf cuts the planes of a pack into shards and places each one's planes in a buffer of its own, which is still to
// be made; sizes are those of the buffers.
func shardsOf(p *graph.Pack, caps *vk.Caps) (shards []shard, sizes []uint64, err error) {
	perShard, err := shardRows(p, caps)
	if err != nil {
		return nil, nil, err
	}
	layout, cols := p.Layout(), p.Cols()
	for first := 0; first < p.Rows(); first += perShard {
		s := shard{first: first, rows: min(perShard, p.Rows()-first)}
		size := uint64(0)
		for i := range layout.Planes() {
			n := uint64(s.rows) * uint64(layout.PlaneRowBytes(i, cols))
			s.planes = append(s.planes, vk.Range{Offset: size, Size: alignUp(n, 16)})
			size = alignUp(size+n, graph.ArenaAlign)
		}
		shards, sizes = append(shards, s), append(sizes, size)
	}
	return shards, sizes, nil
}

// uploader fills the device with weights, one block of rows at a time: host memory never holds more than a block.
type uploader struct {
	dev      *vk.Device
	source   Source
	threads  int
	progress func(done, total uint64)
	done     uint64
	total    uint64
	filler   *filler // of random weights; made by the first
}

// uploadBlock bounds the bytes that are repacked at a time.
const uploadBlock = 8 << 20

func (u *uploader) load(ctx context.Context, g *graph.Graph) (*weights, error) {
	w := &weights{
		matrices: map[string]*matrix{}, vectors: map[string]vk.Range{}, greatest: map[string]float64{}, orders: map[*int32]vk.Range{},
		books: map[quant.LayoutKind]*vk.Buffer{},
	}
	u.total = WeightBytes(g)
	done, err := u.expect(g)
	if err != nil {
		return nil, err
	}
	defer done()
	defer func() { u.filler.close() }()
	for _, p := range g.Packs() {
		m, err := u.matrix(ctx, p)
		if m != nil {
			w.matrices[p.Name] = m
			w.bytes += m.bytes
		}
		if err == nil {
			err = u.codebook(ctx, w, m)
		}
		if err != nil {
			w.close()
			return nil, err
		}
	}
	if err := u.vectors(ctx, g, w); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// expect tells the device which buffers there will be.
func (u *uploader) expect(g *graph.Graph) (done func(), err error) {
	var sizes []uint64
	books := map[quant.LayoutKind]bool{}
	for _, p := range g.Packs() {
		_, shards, err := shardsOf(p, u.dev.Caps())
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, shards...)
		if l := p.Layout(); !books[l.Kind] && l.Codebook() != nil {
			books[l.Kind] = true
			sizes = append(sizes, uint64(4*len(l.Codebook())))
		}
	}
	var vectors uint64
	for _, v := range g.Vectors() {
		vectors = alignUp(vectors, graph.ArenaAlign) + uint64(4*v.Cols)
	}
	for _, order := range g.Orders() {
		vectors = alignUp(vectors, graph.ArenaAlign) + uint64(4*len(order))
	}
	if vectors > 0 {
		sizes = append(sizes, vectors)
	}
	return u.dev.Expect(vk.DeviceLocal, sizes), nil
}

// matrix uploads one pack. On an error the matrix holds what must be closed.
func (u *uploader) matrix(ctx context.Context, p *graph.Pack) (*matrix, error) {
	m := &matrix{pack: p, layout: p.Layout(), cols: p.Cols(), bytes: matrixBytes(p)}
	shards, sizes, err := shardsOf(p, u.dev.Caps())
	if err != nil {
		return m, err
	}
	parts := make([]quant.Source, len(p.Parts))
	for i, part := range p.Parts {
		if parts[i], err = u.tensor(part); err != nil {
			return m, err
		}
	}
	for n, s := range shards {
		if s.buffer, err = u.dev.NewBuffer(p.Name, sizes[n], vk.DeviceLocal); err != nil {
			return m, err
		}
		for i := range s.planes {
			s.planes[i].Buffer = s.buffer
		}
		m.shards = append(m.shards, s)
		if random, ok := randomParts(m, parts); ok {
			err = u.random(ctx, m, s, random)
		} else {
			err = u.fill(ctx, m, s, parts)
		}
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

func (u *uploader) tensor(w graph.Weight) (quant.Source, error) {
	if w.Blocks != nil {
		return u.assemble(w)
	}
	t, err := u.source(w.Name)
	if err != nil {
		return t, err
	}
	if rows, cols := t.Shape(); rows != w.Rows || cols != w.Cols {
		return t, fmt.Errorf("tensor %s has shape [%d %d], the model needs [%d %d]", w.Name, rows, cols, w.Rows, w.Cols)
	}
	return t, nil
}

// random has the device make the rows of one shard.
func (u *uploader) random(ctx context.Context, m *matrix, s shard, parts []quant.Random) (err error) {
	if u.filler == nil {
		if u.filler, err = newFiller(u.dev); err != nil {
			return err
		}
	}
	if err := u.filler.fill(ctx, m, s, parts); err != nil {
		return err
	}
	u.done += uint64(s.rows * m.layout.RowBytes(m.cols))
	if u.progress != nil {
		u.progress(u.done, u.total)
	}
	return nil
}

// fill converts and uploads the rows of one shard.
func (u *uploader) fill(ctx context.Context, m *matrix, s shard, parts []quant.Source) error {
	rowBytes := m.layout.RowBytes(m.cols)
	step := max(4, min(s.rows, uploadBlock/rowBytes)/4*4)
	scratch := make([][]byte, m.layout.Planes())
	for i := range scratch {
		scratch[i] = make([]byte, alignUp(uint64(step*m.layout.PlaneRowBytes(i, m.cols)), 16))
	}
	for at := 0; at < s.rows; at += step {
		n := min(step, s.rows-at)
		if err := u.convert(m, parts, s.first+at, n, scratch); err != nil {
			return err
		}
		for i, plane := range s.planes {
			row := m.layout.PlaneRowBytes(i, m.cols)
			dst := vk.Range{Buffer: plane.Buffer, Offset: plane.Offset + uint64(at*row), Size: uint64(n * row)}
			if at+n == s.rows { // the padding is uploaded with the last rows
				dst.Size = plane.Offset + plane.Size - dst.Offset
				clear(scratch[i][n*row : dst.Size])
			}
			if err := u.dev.UploadBytes(ctx, dst, scratch[i][:dst.Size]); err != nil {
				return err
			}
		}
		u.done += uint64(n * rowBytes)
		if u.progress != nil {
			u.progress(u.done, u.total)
		}
	}
	return nil
}

// convert makes rows [first, first+n) of the pack in the scratch planes, on all threads.
func (u *uploader) convert(m *matrix, parts []quant.Source, first, n int, scratch [][]byte) error {
	var wg sync.WaitGroup
	errs := make([]error, max(1, u.threads))
	share := (n + len(errs) - 1) / len(errs)
	if m.pack.Interleave {
		share = (share + 1) / 2 * 2
	}
	for t := range errs {
		lo, hi := t*share, min((t+1)*share, n)
		if lo >= hi {
			break
		}
		wg.Go(func() {
			planes := m.rowsOf(scratch, lo, hi-lo)
			if m.pack.Interleave {
				errs[t] = interleaveExperts(planes, m, parts, first+lo, hi-lo)
			} else {
				errs[t] = stackRows(planes, m, parts, first+lo, hi-lo)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// stackRows makes rows of a pack whose parts lie one after another.
func stackRows(planes [][]byte, m *matrix, parts []quant.Source, first, n int) error {
	base := 0 // first row of the part
	for i, part := range parts {
		rows := m.pack.Parts[i].Rows
		lo, hi := max(first, base), min(first+n, base+rows)
		if lo < hi {
			if err := partRows(m.rowsOf(planes, lo-first, hi-lo), m, i, part, lo-base, hi-lo); err != nil {
				return err
			}
		}
		base += rows
	}
	return nil
}

// interleaveRows makes rows of a pack whose parts take turns: row r is row r/len(parts) of part r mod len(parts). Some
// sources store many rows side by side, so several of a part are made at once and then dealt out.
func interleaveRows(planes [][]byte, m *matrix, parts []quant.Source, first, n int) error {
	const together = 16
	hand := make([][]byte, len(planes))
	for p := range hand {
		hand[p] = make([]byte, together*m.layout.PlaneRowBytes(p, m.cols))
	}
	turns := len(parts)
	for i, part := range parts {
		lo, hi := (first-i+turns-1)/turns, (first+n-i+turns-1)/turns
		for at := lo; at < hi; at += together {
			k := min(together, hi-at)
			if err := partRows(m.rowsOf(hand, 0, k), m, i, part, at, k); err != nil {
				return err
			}
			for r := range k {
				for p, row := range m.rowsOf(hand, r, 1) {
					copy(m.rowsOf(planes, (at+r)*turns+i-first, 1)[p], row)
				}
			}
		}
	}
	return nil
}

// rowsOf cuts rows [first, first+n) out of planes.
func (m *matrix) rowsOf(planes [][]byte, first, n int) [][]byte {
	cut := make([][]byte, len(planes))
	for p := range planes {
		row := m.layout.PlaneRowBytes(p, m.cols)
		cut[p] = planes[p][first*row : (first+n)*row]
	}
	return cut
}

// partRows converts rows of one part of a pack, as its order has them.
func partRows(planes [][]byte, m *matrix, part int, source quant.Source, first, n int) error {
	w := &m.pack.Parts[part]
	if w.RowOrder == nil {
		return inTensor(w.Name, source.Planes(planes, m.layout, first, n))
	}
	for r, row := range w.RowOrder[first : first+n] {
		if err := source.Planes(m.rowsOf(planes, r, 1), m.layout, int(row), 1); err != nil {
			return inTensor(w.Name, err)
		}
	}
	return nil
}

func inTensor(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("tensor %s: %w", name, err)
}

// vectors uploads the norm weights and biases as float32, and the orders of gathers, into one buffer.
func (u *uploader) vectors(ctx context.Context, g *graph.Graph, w *weights) error {
	var host []byte
	begin := func() (offset uint64) {
		for len(host)%graph.ArenaAlign != 0 {
			host = append(host, 0)
		}
		return uint64(len(host))
	}
	for _, v := range g.Vectors() {
		values, err := u.vector(*v)
		if err != nil {
			return err
		}
		w.vectors[v.Name] = vk.Range{Offset: begin(), Size: uint64(4 * len(values))}
		for _, x := range values {
			w.greatest[v.Name] = max(w.greatest[v.Name], math.Abs(float64(x)))
			host = binary.LittleEndian.AppendUint32(host, math.Float32bits(x))
		}
	}
	for _, order := range g.Orders() {
		w.orders[&order[0]] = vk.Range{Offset: begin(), Size: uint64(4 * len(order))}
		for _, i := range order {
			host = binary.LittleEndian.AppendUint32(host, uint32(i))
		}
	}
	if len(host) == 0 {
		return nil
	}
	var err error
	if w.buffer, err = u.dev.NewBuffer("norms and biases", uint64(len(host)), vk.DeviceLocal); err != nil {
		return err
	}
	w.bytes += uint64(len(host))
	for name, r := range w.vectors {
		r.Buffer = w.buffer
		w.vectors[name] = r
	}
	for first, r := range w.orders {
		r.Buffer = w.buffer
		w.orders[first] = r
	}
	return u.dev.UploadBytes(ctx, vk.Range{Buffer: w.buffer, Size: uint64(len(host))}, host)
}

// vector reads a weight of one row, or puts it together from its blocks.
func (u *uploader) vector(w graph.Weight) ([]float32, error) {
	values := make([]float32, w.Cols)
	if w.Blocks == nil {
		t, err := u.tensor(w)
		if err != nil {
			return nil, err
		}
		return values, inTensor(w.Name, t.Values(values, 0, 1))
	}
	for _, b := range w.Blocks {
		part, err := u.vector(graph.Weight{Name: b.Name, Rows: 1, Cols: b.Cols})
		if err != nil {
			return nil, err
		}
		copy(values[b.Col:], part)
	}
	return values, nil
}

func (w *weights) close() {
	for _, m := range w.matrices {
		for _, s := range m.shards {
			if s.buffer != nil {
				s.buffer.Close()
			}
		}
	}
	for _, book := range w.books {
		book.Close()
	}
	if w.buffer != nil {
		w.buffer.Close()
	}
	w.matrices, w.vectors, w.orders, w.buffer, w.books = nil, nil, nil, nil, nil
}
