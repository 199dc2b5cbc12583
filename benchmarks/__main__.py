"""`make bench`: run every benchmark and print figures and ratios. None is a test."""

from benchmarks import fit, missed, pace, publish, warm, weekend

pace.main()
weekend.main()
fit.main()
warm.main()
missed.main()
publish.main()
