//go:build ignore

// generate writes ../openapi.json and client.gen.go.
package main

import (
	"log"
	"os"
	"os/exec"
	"path/filepath"

	"jsruntime/httpapi"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	spec, spec30, err := httpapi.Document()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join("..", "openapi.json"), spec, 0o644); err != nil {
		return err
	}
	// The generator reads OpenAPI 3.0 only.
	old := filepath.Join(os.TempDir(), "jsruntime-openapi-3.0.json")
	if err := os.WriteFile(old, spec30, 0o600); err != nil {
		return err
	}
	defer os.Remove(old)
	cmd := exec.Command("go", "tool", "-modfile=../../.tools/go.mod", "oapi-codegen", "-config", "oapi-codegen.yaml", old)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
