package engine

import (
	"math"
	"time"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// pace decides how many tokens a step guesses, from what guessing has brought and cost in this answer so far.
//
// A guess of k tokens that are right with probability a each brings 1 + a + … + a^k tokens; a step of 1+k rows takes as long
// as ratio[1+k] steps of one. On a card whose decode is bound by reading weights all ratios are near 1 and nearly any guess
// pays; on a CPU a row costs much of a step and few do. The guess with the most tokens per time is taken, none if that has
// the most.
type pace struct {
	sizes    []int // rows that are considered: few, since each size is a plan of its own
	plain    time.Duration
	ratio    [vkexec.MaxGuess + 2]float64 // 0: not measured
	right    [sources]odds
	perDraft time.Duration // of one token of the draft model

	skipped int // guesses of the draft model not asked for since the last one
	pause   int // how many are skipped before it is tried again
}

// odds estimate how often a source is right, recent guesses counting most.
type odds struct{ hits, tries float64 }

const (
	priorTries  = 4    // how much the estimate before the first guess counts, in guesses
	memory      = 0.95 // how much an observation counts after the next one
	hoped       = 1.02 // ratio of a step of two rows before one was measured
	gain        = 1.05 // what a guess must promise over a plain step
	firstPause  = 32   // tokens
	longerPause = 2
	maxPause    = 1024
)

// priors are how often each source is expected to be right.
var priors = [sources]float64{sourceBrief: 0.4, sourceShort: 0.6, sourceMiddle: 0.75, sourceLong: 0.85, sourceDraft: 0.7}

func newPace(most int) pace {
	p := pace{pause: firstPause}
	for _, rows := range []int{2, 4, 8} {
		if rows <= most+1 {
			p.sizes = append(p.sizes, rows)
		}
	}
	if n := len(p.sizes); n == 0 || p.sizes[n-1] != most+1 {
		p.sizes = append(p.sizes, most+1)
	}
	for i := range p.right {
		p.right[i] = odds{priors[i] * priorTries, priorTries}
	}
	return p
}

// guessed notes whether a guessed token was right, all in front of it having been.
func (p *pace) guessed(s source, right bool) {
	o := &p.right[s]
	o.hits, o.tries = o.hits*memory, o.tries*memory+1
	if right {
		o.hits++
	}
}

// took notes the time of a step.
func (p *pace) took(rows int, t time.Duration) {
	if rows == 1 {
		p.plain = smooth(p.plain, t)
		return
	}
	if p.plain > 0 {
		p.ratio[rows] = smooth(p.ratio[rows], float64(t)/float64(p.plain))
	}
}

// drafted notes the time of a token of the draft model.
func (p *pace) drafted(t time.Duration) { p.perDraft = smooth(p.perDraft, t) }

func smooth[T time.Duration | float64](old, next T) T {
	if old == 0 {
		return next
	}
	return T(0.75*float64(old) + 0.25*float64(next))
}

// cost is what a step of so many rows is expected to take, in plain steps: between measured sizes on the line between them.
func (p *pace) cost(rows int) float64 {
	if p.ratio[rows] > 0 {
		return p.ratio[rows]
	}
	low, lowRatio := 1, 1.0
	for r := 2; r < rows; r++ {
		if p.ratio[r] > 0 {
			low, lowRatio = r, p.ratio[r]
		}
	}
	for r := rows + 1; r < len(p.ratio); r++ {
		if p.ratio[r] > 0 {
			return lowRatio + (p.ratio[r]-lowRatio)*float64(rows-low)/float64(r-low)
		}
	}
	slope := hoped - 1
	if low > 1 {
		slope = (lowRatio - 1) / float64(low-1)
	}
	return lowRatio + slope*float64(rows-low)
}

// rows is how many rows the next step has, 1 to 1+most: that of the last token, and those of a guess from a source.
func (p *pace) rows(s source, most int) int {
	if p.plain == 0 || most == 0 { // a plain step comes first, to compare with
		return 1
	}
	best, rate := 1, gain
	a := p.right[s].hits / p.right[s].tries
	for _, rows := range p.sizes {
		if rows > most+1 {
			break
		}
		k := float64(rows - 1)
		tokens := 1 + k
		if a < 1-1e-9 {
			tokens = (1 - math.Pow(a, k+1)) / (1 - a)
		}
		cost := p.cost(rows)
		if s == sourceDraft {
			cost += k * float64(p.perDraft) / float64(p.plain)
		}
		if r := tokens / cost; r > rate {
			best, rate = rows, r
		}
	}
	if s != sourceDraft { // whose guesses cost something; others are watched while they are not used
		return best
	}
	return p.retry(best, most)
}

// retry asks a draft model that did not pay again after a while: what it is asked may have become easier.
func (p *pace) retry(best, most int) int {
	if best > 1 {
		p.skipped = 0
		return best
	}
	if p.skipped++; p.skipped < p.pause {
		return 1
	}
	p.skipped, p.pause = 0, min(p.pause*longerPause, maxPause)
	return 1 + min(most, p.sizes[0]-1)
}
