//! The application: provision, pass through, tear down, converge.
