//! Verifier: a gold answer and a model's text in, a verdict out.
