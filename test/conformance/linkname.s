// An assembly file, though empty, is what lets a package use go:linkname.
