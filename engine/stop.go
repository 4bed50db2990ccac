package engine

import "strings"

// stopMatcher finds stop texts in a stream of pieces. It holds back the longest tail that may still become one.
type stopMatcher struct {
	stops []string
	held  string
}

func newStopMatcher(stops []string) *stopMatcher {
	m := &stopMatcher{}
	for _, s := range stops {
		if s != "" {
			m.stops = append(m.stops, s)
		}
	}
	return m
}

// push adds a piece and returns the text that is certain. When a stop text is complete, stopped is true and text
// ends in front of it; of several, the one that begins first counts.
func (m *stopMatcher) push(piece string) (text string, stopped bool) {
	m.held += piece
	first := -1
	for _, s := range m.stops {
		if i := strings.Index(m.held, s); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		text, m.held = m.held[:first], ""
		return text, true
	}
	keep := 0
	for _, s := range m.stops {
		for n := min(len(s)-1, len(m.held)); n > keep; n-- {
			if strings.HasSuffix(m.held, s[:n]) {
				keep = n
				break
			}
		}
	}
	cut := len(m.held) - keep
	text, m.held = m.held[:cut], m.held[cut:]
	return text, false
}

// rest returns what is held back, at the end of the stream.
func (m *stopMatcher) rest() string {
	text := m.held
	m.held = ""
	return text
}
