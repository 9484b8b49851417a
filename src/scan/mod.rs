//! Leak detection: sources, detection, report.
