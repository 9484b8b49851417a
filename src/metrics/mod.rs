//! What is counted, with closed sets of labels.
