//! The IAM policy language: parse, render, evaluate, contain, compare.
