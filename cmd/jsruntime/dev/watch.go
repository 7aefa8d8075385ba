package dev

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// change is a saved file. config is whether the project must be read again.
type change struct{ config bool }

// configFiles decide what a project is.
var configFiles = map[string]bool{"jsruntime.jsonc": true, "wrangler.jsonc": true, "wrangler.json": true, "wrangler.toml": true, "package.json": true, "tsconfig.json": true}

// watcher reports saved files: of the project's folders, and of the folders of all files that scripts are made of.
type watcher struct {
	fs      *fsnotify.Watcher
	changes chan change
	done    chan struct{}
	watched map[string]bool // folders
}

func newWatcher() (*watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching files: %w", err)
	}
	made := &watcher{fs: w, changes: make(chan change), done: make(chan struct{}), watched: map[string]bool{}}
	go made.run()
	return made, nil
}

func (w *watcher) close() {
	close(w.done)
	_ = w.fs.Close() // nothing is read from it any more
}

func (w *watcher) run() {
	for {
		select {
		case <-w.done:
			return
		case e, ok := <-w.fs.Events:
			if !ok {
				return
			}
			if e.Op == fsnotify.Chmod || ignored(e.Name) {
				continue
			}
			if e.Has(fsnotify.Create) {
				if info, err := os.Stat(e.Name); err == nil && info.IsDir() {
					w.add(e.Name)
				}
			}
			w.send(change{config: configFiles[filepath.Base(e.Name)]})
		case _, ok := <-w.fs.Errors:
			if !ok {
				return
			}
			w.send(change{}) // events were lost: look at everything
		}
	}
}

func (w *watcher) send(c change) {
	select {
	case w.changes <- c:
	case <-w.done:
	}
}

// ignored reports whether a file of this name is no source: what editors write beside one, and what dev itself writes.
func ignored(name string) bool {
	base := filepath.Base(name)
	return skipped[base] || strings.HasSuffix(base, "~") || strings.HasPrefix(base, ".#") || strings.HasSuffix(base, ".swp") || base == "4913"
}

var skipped = map[string]bool{".git": true, ".jsruntime": true, ".wrangler": true, "node_modules": true}

// project watches a folder and those below it. Packages are watched by inputs.
func (w *watcher) project(dir string) {
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil // a folder that cannot be read has no source
		}
		if path != dir && skipped[entry.Name()] {
			return filepath.SkipDir
		}
		w.add(path)
		return nil
	})
}

// inputs watches the folders of files. It belongs to the loop's goroutine, as project does.
func (w *watcher) inputs(files []string) {
	for _, file := range files {
		if dir := filepath.Dir(file); !w.watched[dir] {
			w.watched[dir] = true
			w.add(dir)
		}
	}
}

// add watches a folder. One that cannot be watched, for the system's limit, leaves the others.
func (w *watcher) add(dir string) { _ = w.fs.Add(dir) }
