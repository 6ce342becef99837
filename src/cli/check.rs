//! `autoheal check FILE...`: every error at once, or the rules in force.
