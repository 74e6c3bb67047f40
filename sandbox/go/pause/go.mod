module antgent.sandbox/pause

go 1.24
