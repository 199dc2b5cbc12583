"""`make bench`: every benchmark, one after the other. Figures and ratios; none of them is a test."""

from benchmarks import fit, missed, pace, publish, warm, weekend

pace.main()
weekend.main()
fit.main()
warm.main()
missed.main()
publish.main()
