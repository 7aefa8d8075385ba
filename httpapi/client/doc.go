// Package client is a typed client of the admin API, generated from its OpenAPI document.
package client

//go:generate go run generate.go
