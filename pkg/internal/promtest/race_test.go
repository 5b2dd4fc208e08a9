//go:build race

package promtest_test

// defaultAnswers is less where each costs ten times as much.
const defaultAnswers = 8_000
