// Command genzones writes zones.txt: the names of the time zones that Go's copy of the database has, without those that are no places
// ("localtime", "posixrules", "Factory"). go generate runs it in package cron.
package main

import (
	"archive/zip"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		log.Fatal(err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		log.Fatal(err)
	}
	defer archive.Close() //nolint:errcheck // only read
	var names []string
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") || slices.Contains([]string{"localtime", "posixrules", "Factory"}, f.Name) {
			continue
		}
		names = append(names, f.Name)
	}
	slices.Sort(names)
	if err := os.WriteFile("zones.txt", []byte(strings.Join(names, "\n")+"\n"), 0o644); err != nil { // a source file
		log.Fatal(err)
	}
}
