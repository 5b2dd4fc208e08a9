// Package trace reads and writes recorded series.
package trace
