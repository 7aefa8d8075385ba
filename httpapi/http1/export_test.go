package http1

// Corpus is what TestCorpus looks at.
func Corpus() (all []string) {
	for _, c := range corpus {
		all = append(all, c.sent)
	}
	return all
}
