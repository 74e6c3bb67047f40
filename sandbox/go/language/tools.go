//go:build tools

// Package tools names the program that this module exists to build: Pulumi's Python language host,
// which left the SDK's module after v3.79.0.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
