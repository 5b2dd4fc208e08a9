//go:build !race

package promtest_test

const defaultAnswers = 100_000
