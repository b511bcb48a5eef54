//! Enums that are named by a key in configuration files, on the command line and in Python.

/// Declares an enum whose variants have a key, with `ALL`, `KEYS`, `key`, `parse` and `Display`: a [`Choice`](crate::Choice).
///
/// ```
/// surefoot_objectives::keyed_enum! {
///     /// Which side is tapered.
///     pub enum Side {
///         /// Negative advantages.
///         Negative => "negative",
///         /// Both.
///         Both => "both",
///     }
/// }
/// assert_eq!(Side::parse("both"), Some(Side::Both));
/// ```
#[macro_export]
macro_rules! keyed_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident => $key:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every variant, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The key of every variant, in the same order.
            pub const KEYS: &'static [&'static str] = &[$($key),+];

            /// The name used in configuration files, on the command line and in Python.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key),+ }
            }

            /// The variant with this key, `None` if there is none.
            pub fn parse(key: &str) -> Option<Self> {
                match key { $($key => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.key())
            }
        }

        impl $crate::Choice for $name {
            fn keys(&self) -> &'static [&'static str] { Self::KEYS }
            fn current(&self) -> &'static str { self.key() }
            fn choose(&mut self, key: &str) -> bool {
                match Self::parse(key) {
                    Some(variant) => { *self = variant; true }
                    None => false,
                }
            }
        }
    };
}
pub(crate) use keyed_enum;
