//! The files the program knows by name, embedded at build time, and a user's folder laid over them.
