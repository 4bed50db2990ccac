package doctor

import (
	"fmt"
	"math"
	"slices"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// penalties are those that the step with a history is run with, and history what its slot has seen before.
var (
	penalties = vkexec.Penalties{Repetition: 1.3, Presence: 0.4, Frequency: 0.2}
	prompt    = []int32{3, 5, 7, 8, 1}
	generated = []int32{5, 5, 9, 2}
)

// judgeTail compares what followed the logits: penalties, the arg max, or the candidates.
func judgeTail(op *vkexec.Operation, v verdict) verdict {
	logits := op.Out
	if !finite(op.In[0].Data) {
		v.skip = "the logits have values that are not numbers"
		return v
	}
	if op.Tail == vkexec.TailTopK {
		penalised(op, &v)
	} else if !slices.Equal(bits(op.In[0].Data), bits(logits.Data)) {
		v.fail("the logits changed")
	}
	for s := range op.Step.Seqs {
		row := logits.Row(s)
		switch op.Tail {
		case vkexec.TailGreedy:
			best := 0
			for i, x := range row {
				if x > row[best] {
					best = i
				}
			}
			v.values++
			if got := op.Result.IDs[s]; int(got) != best {
				v.fail("the largest of %d logits is number %d and not %d", len(row), best, got)
			}
		case vkexec.TailTopK:
			candidates(&op.Result.Candidates[s], row, &v)
		}
	}
	return v
}

func bits(v []float32) []uint32 {
	b := make([]uint32, len(v))
	for i, x := range v {
		b[i] = math.Float32bits(x)
	}
	return b
}

// penalised compares the logits behind the penalties; the step's own ids were counted as generated before.
func penalised(op *vkexec.Operation, v *verdict) {
	counts, seen := map[int32]float64{}, map[int32]bool{}
	for _, id := range prompt {
		seen[id] = true
	}
	for _, id := range slices.Concat(generated, op.Step.IDs) {
		seen[id] = true
		counts[id]++
	}
	for s := range op.Step.Seqs {
		for i, x := range op.In[0].Row(s) {
			want, id := float64(x), int32(i)
			if seen[id] {
				if want > 0 {
					want /= float64(penalties.Repetition)
				} else {
					want *= float64(penalties.Repetition)
				}
				if counts[id] > 0 {
					want -= float64(penalties.Frequency)*counts[id] + float64(penalties.Presence)
				}
			}
			size := math.Abs(float64(x))*1.3 + 2*counts[id]
			v.note(float64(op.Out.Row(s)[i]), want, 1e-6*size, func() string { return fmt.Sprintf("the logit of id %d", i) })
		}
	}
}

// candidates compares the best of a row, in order, and the log-sum-exp of all.
func candidates(got *vkexec.Candidates, row []float32, v *verdict) {
	order := make([]int32, len(row))
	sum, most := 0.0, math.Inf(-1)
	for i, x := range row {
		order[i] = int32(i)
		most = max(most, float64(x))
	}
	for _, x := range row {
		sum += math.Exp(float64(x) - most)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return -compare(float64(row[a]), float64(row[b])) })
	order = order[:min(len(order), vkexec.MaxCandidates)]
	v.values += len(order)
	if !slices.Equal(got.IDs, order) {
		v.fail("the best of %d logits are %v and not %v", len(row), order, got.IDs)
		return
	}
	for i, id := range order {
		if got.Logits[i] != row[id] {
			v.fail("candidate %d has the logit %g and not %g", id, got.Logits[i], row[id])
		}
	}
	want := most + math.Log(sum)
	v.note(float64(got.LogSumExp), want, 1e-5*(1+math.Abs(want)), func() string { return "the log-sum-exp" })
	v.note(float64(got.Max), most, 0, func() string { return "the maximum" })
}
