// Package trace reads, keeps and writes recorded series: what a service did, to be
// played to an autoscaler.
//
//	set, err := trace.Open("requests.csv.gz", trace.Options{Values: []string{"count"}})
//	grid, err := trace.Demand(trace.GridOptions{Unit: trace.Count, Gaps: trace.Hold}, set.Series...)
//	demand := workload.Demand{Every: grid.Every, Rates: grid.Rates}
//
// Open and Read recognise a format by its content: CSV (a column per series, or
// rows with labels, or a value per line), the JSON of Prometheus' query_range,
// OpenMetrics with timestamps as promtool dumps it, and each of them compressed
// with gzip. What is none of these is refused with a Problem that says where it
// stands and how to put it right.
//
// A replay of what was recorded asks a Cursor, which is cheap while time rises:
//
//	cursor := set.Series[0].Cursor()
//	value, state := cursor.At(now)
//
// # Nothing is not zero
//
// Three things that look alike are kept apart. A Value of zero was recorded. A Gap
// is a time for which nothing was recorded: the metric failed. A series is Absent
// where others of its file were recorded and it was not, as that of a pod that did
// not exist yet. Which is which depends on the file: a cell that says NaN is a gap;
// an empty cell in a row of several series is an absence, as is a sample that only
// other series have.
//
// A sample tells of the time from its own until the next one. Where that comes
// later than one and a half of the series' median intervals, it tells of one
// interval, and a gap or an absence follows.
//
// # Limitations
//
// Times are kept to the nanosecond, from 1970 to 2099. Native histograms are not
// read. A Set is read whole: its size is about eight bytes for a sample, and one or
// two more where the samples are not evenly spaced; five where their times are
// told to the nanosecond.
package trace
