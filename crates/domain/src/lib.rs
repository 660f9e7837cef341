//! The words of the problem: clusters, roles, bindings, and the plan from one state to another.
