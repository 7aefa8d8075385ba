//go:build ignore

// generate writes openapi.json.
package main

import (
	"log"
	"os"

	"example.com/jsruntime/httpapi"
)

func main() {
	spec, err := httpapi.Document()
	if err == nil {
		err = os.WriteFile("openapi.json", spec, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
