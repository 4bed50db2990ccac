package sampler

import "fmt"

// ApplyPenalties changes logits [vocabulary] in place: the repetition penalty for every id
// in prompt or generated, presence and frequency penalties for those in generated. It is
// the reference of the device kernel, and computes in float32 as that does.
func (p Params) ApplyPenalties(logits []float32, prompt, generated []int32) error {
	if !p.Penalized() {
		return nil
	}
	counts := make(map[int32]int, len(prompt)+len(generated))
	for _, ids := range [2][]int32{prompt, generated} {
		for _, id := range ids {
			if id < 0 || int(id) >= len(logits) {
				return fmt.Errorf("sampler: the text so far has id %d, but there are only %d logits", id, len(logits))
			}
			counts[id] = 0 // seen; counted below
		}
	}
	for _, id := range generated {
		counts[id]++
	}
	for id, count := range counts {
		logits[id] = p.penalized(logits[id], count)
	}
	return nil
}

// penalized returns the logit of an id that the text so far holds, count times in the
// generated part.
func (p Params) penalized(logit float32, count int) float32 {
	if r := float32(p.repetition()); logit > 0 {
		logit /= r
	} else {
		logit *= r
	}
	if count > 0 {
		// Two subtractions, each rounded: so does the reference. The conversion keeps a
		// compiler from fusing the product into the subtraction.
		logit -= float32(float32(p.FrequencyPenalty) * float32(count))
		logit -= float32(p.PresencePenalty)
	}
	return logit
}
