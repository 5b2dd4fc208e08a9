# Keeps of each benchmark the run that took the least: the machine is noisy, and
# noise only adds. Reads what "go test -bench" prints.
/^pkg: / { pkg = $2 }
/^Benchmark/ {
	name = pkg " " $1
	if (!(name in best)) order[++n] = name
	if (!(name in best) || $3 + 0 < best[name]) { best[name] = $3 + 0; line[name] = $0 }
}
/^(FAIL|panic)/ { print; failed = 1 }
END {
	for (i = 1; i <= n; i++) {
		split(order[i], part, " ")
		if (part[1] != last) { last = part[1]; print "\n" last }
		print line[order[i]]
	}
	exit failed
}
