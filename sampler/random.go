package sampler

// uniform returns the n-th random number of a seed, evenly spread in [0, 1) with 53 bits.
// It is SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators",
// 2014) read at place n. The seed is mixed first, so that neighbouring seeds do not give
// shifted copies of one sequence.
func uniform(seed, n uint64) float64 {
	const gamma = 0x9e3779b97f4a7c15
	return float64(mix64(mix64(seed+gamma)+(n+1)*gamma)>>11) / (1 << 53)
}

func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
