//! edgehost
