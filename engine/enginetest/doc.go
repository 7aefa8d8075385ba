// Package enginetest tests package engine: a fake worker without V8, villains, and one suite that both the fake and the real
// worker pass. Only tests import it.
//
// The test binary plays the worker: TestMain calls Main, which takes over in a process that was started with Args. The fake does
// what a script's name says, so that a test says `Script("sleep:50")` where the real worker would get JavaScript. Sources has the
// JavaScript of those scripts that the suite runs against both.
package enginetest
