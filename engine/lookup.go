package engine

// lookup finds where a text has had before what it ends in now, and what came then: in quotations, code that is changed a
// little, lists, tables and names most of the next tokens can be read off the text. Nothing is learnt and nothing computed.
//
// Places are found by the pair of tokens in front of them; of those with the same pair the one with the longest agreement is
// taken, the latest of equals.
type lookup struct {
	text   []int32
	latest map[[2]int32]int32 // by pair: the index behind it
	before []int32            // by index behind a pair: the one before with the same pair; 0: none
}

const (
	pairTokens   = 2
	maxPlaces    = 64 // that are compared
	maxAgreement = 32 // tokens that are compared at a place
)

func newLookup(text []int32) *lookup {
	l := &lookup{latest: make(map[[2]int32]int32, len(text))}
	l.push(text...)
	return l
}

// push adds tokens to the text.
func (l *lookup) push(ids ...int32) {
	for _, id := range ids {
		l.text = append(l.text, id)
		l.before = append(l.before, 0)
		if n := len(l.text); n > pairTokens { // the pair at the end is found by those that come later
			pair := [2]int32(l.text[n-3 : n-1])
			l.before[n-1] = l.latest[pair]
			l.latest[pair] = int32(n - 1)
		}
	}
}

// find returns up to n tokens that may come next, and how many in front of them agree; none where nothing does.
func (l *lookup) find(n int) (ids []int32, agree int) {
	end := len(l.text)
	if end < pairTokens {
		return nil, 0
	}
	place := 0
	at := int(l.latest[[2]int32(l.text[end-2:])])
	for i := 0; at > 0 && i < maxPlaces && agree < maxAgreement; i++ {
		if a := l.agreement(at); a > agree {
			place, agree = at, a
		}
		at = int(l.before[at])
	}
	if place == 0 {
		return nil, 0
	}
	for i := range n { // behind the end of the text the guess goes on from itself: it repeats
		if next := place + i; next < end {
			ids = append(ids, l.text[next])
		} else {
			ids = append(ids, ids[next-end])
		}
	}
	return ids, agree
}

// agreement counts the tokens in front of a place that are those at the end of the text.
func (l *lookup) agreement(at int) int {
	n := pairTokens
	for end := len(l.text); n < at && n < maxAgreement && l.text[at-1-n] == l.text[end-1-n]; {
		n++
	}
	return n
}
