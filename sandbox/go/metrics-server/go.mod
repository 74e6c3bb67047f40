module antgent.sandbox/metrics-server

go 1.24.0

require sigs.k8s.io/metrics-server v0.7.2
