package faults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// children are the processes whose parent is pid, from /proc.
func children(pid int) []int {
	var found []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		p, ok := readStat(path)
		if ok && p.parent == pid {
			found = append(found, p.pid)
		}
	}
	return found
}

type process struct {
	pid, parent int
	state       string
	name        string
	start       string // in ticks since boot: with pid it names a process for good
}

func readStat(path string) (process, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return process{}, false
	}
	open, closing := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || closing < open {
		return process{}, false
	}
	fields := strings.Fields(string(text[closing+1:]))
	if len(fields) < 20 {
		return process{}, false
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:open])))
	parent, _ := strconv.Atoi(fields[1])
	return process{pid: pid, parent: parent, state: fields[0], name: string(text[open+1 : closing]), start: fields[19]}, true
}

func stat(pid int) (process, bool) { return readStat(fmt.Sprintf("/proc/%d/stat", pid)) }

// alive reports whether the very process p is still there; a zombie is.
func (p process) alive() bool {
	now, ok := stat(p.pid)
	return ok && now.start == p.start
}
