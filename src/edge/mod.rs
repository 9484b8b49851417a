//! Between HTTP and the words of the engine: attributes in, answers and identity headers out.
