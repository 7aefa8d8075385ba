package dev

import (
	"errors"
	"slices"
	"sync"

	"github.com/evanw/esbuild/pkg/api"

	"example.com/jsruntime/cmd/jsruntime/project"
	"example.com/jsruntime/cmd/jsruntime/term"
)

// builder bundles a project's scripts, again and again: what has not changed is neither read nor parsed a second time.
type builder struct {
	project  *project.Project
	contexts []api.BuildContext // one for each of project.Scripts
	used     map[string][]string
}

func newBuilder(p *project.Project) *builder {
	return &builder{project: p, contexts: make([]api.BuildContext, len(p.Scripts)), used: map[string][]string{}}
}

func (b *builder) close() {
	for _, c := range b.contexts {
		if c != nil {
			c.Dispose()
		}
	}
}

// build returns the scripts that build, with their sources. Its error names the others, and the warnings' places go with it.
func (b *builder) build() ([]*project.Script, []*project.Source, error) {
	sources, failed := make([]*project.Source, len(b.contexts)), make([]error, len(b.contexts))
	var all sync.WaitGroup
	for i, s := range b.project.Scripts {
		all.Go(func() { sources[i], failed[i] = b.one(i, s) })
	}
	all.Wait()
	var scripts []*project.Script
	var built []*project.Source
	for i, s := range b.project.Scripts {
		if failed[i] == nil {
			scripts, built = append(scripts, s), append(built, sources[i])
			b.used[s.Name] = sources[i].Inputs
		}
	}
	return scripts, built, together(failed)
}

func (b *builder) one(i int, s *project.Script) (*project.Source, error) {
	if b.contexts[i] == nil {
		made, err := api.Context(b.project.Options(s))
		if err != nil {
			return nil, err
		}
		b.contexts[i] = made
	}
	result := b.contexts[i].Rebuild()
	return b.project.Built(s, &result)
}

// inputs are the files that the scripts were made of when they last built.
func (b *builder) inputs() []string {
	var files []string
	for _, inputs := range b.used {
		files = append(files, inputs...)
	}
	return files
}

// together is one error for all scripts that do not build, each place once.
func together(errs []error) error {
	var all *term.SourceError
	for _, err := range errs {
		var source *term.SourceError
		switch {
		case err == nil:
			continue
		case !errors.As(err, &source):
			return err
		case all == nil:
			all = &term.SourceError{Message: source.Message}
		}
		for _, place := range source.Places {
			if !slices.Contains(all.Places, place) {
				all.Places = append(all.Places, place)
			}
		}
	}
	if all == nil {
		return nil
	}
	return all
}
