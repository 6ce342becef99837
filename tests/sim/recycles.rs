//! recycles
