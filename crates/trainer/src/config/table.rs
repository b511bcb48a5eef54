//! How a section of the configuration is declared: one macro, one row a key.

use super::entry::Mismatch;

/// One key of a section, as `docs/config.md` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyDoc {
    /// Name within its section.
    pub name: &'static str,
    /// What values it takes, in words.
    pub expects: String,
    /// The default in Markdown, or `None` when the key is not set by default.
    pub default: Option<String>,
    /// One or two sentences.
    pub doc: String,
    /// Where the default comes from.
    pub source: &'static str,
}

/// A section of the configuration.
pub trait Stage {
    /// The section's name in TOML.
    fn section(&self) -> &'static str;
    /// One sentence about the section.
    fn about(&self) -> &'static str;
    /// Every key with its type, *current* value as default, meaning and source.
    fn keys(&self) -> Vec<KeyDoc>;
    /// Every key with its value as TOML (`None`: not set), in the order of declaration.
    fn entries(&self) -> Vec<(String, Option<String>)>;
    /// Every whole number that is below the least that its key takes: `section.key`, the number, the least.
    fn below_least(&self) -> Vec<(&'static str, u64, u64)> {
        Vec::new()
    }
    /// Sets `key`. `Ok(false)` when the section has no such key.
    ///
    /// # Errors
    /// [`Mismatch`] when the value has the wrong type or is not one of those allowed.
    fn set(&mut self, key: &str, value: &toml::Value) -> Result<bool, Mismatch>;
}

/// What a row takes, in words.
macro_rules! expects {
    ($type:ty) => {
        <$type as $crate::config::Entry>::expects()
    };
    ($type:ty, $least:literal) => {
        <$type as $crate::config::Whole>::expects_from($least)
    };
}

/// Declares a section: `key: Type = default, "source of the default";`, the doc comment being the key's meaning. A key that takes
/// whole numbers from 1 on says so at the end of its row: `…, "source", 1 or more;`.
macro_rules! stage {
    (
        $(#[doc = $about:literal])+
        $name:ident in $section:literal {
            $( $(#[doc = $doc:literal])+ $key:ident : $type:ty = $default:expr, $source:literal $(, $least:literal or more)?; )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = concat!("Source of the default: ", $source, ".")]
                pub $key: $type,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $( $key: $default, )+ }
            }
        }

        impl $crate::config::Stage for $name {
            fn section(&self) -> &'static str {
                $section
            }

            fn about(&self) -> &'static str {
                concat!($($about),+).trim()
            }

            fn keys(&self) -> Vec<$crate::config::KeyDoc> {
                vec![$(
                    $crate::config::KeyDoc {
                        name: stringify!($key),
                        expects: $crate::config::table::expects!($type $(, $least)?),
                        default: $crate::config::Entry::to_toml(&self.$key).map(|value| format!("`{value}`")),
                        doc: concat!($($doc),+).trim().to_string(),
                        source: $source,
                    }
                ),+]
            }

            fn entries(&self) -> Vec<(String, Option<String>)> {
                vec![$( (stringify!($key).to_string(), $crate::config::Entry::to_toml(&self.$key)) ),+]
            }

            fn below_least(&self) -> Vec<(&'static str, u64, u64)> {
                let rows: &[(&'static str, Option<u64>, u64)] = &[
                    $( $( (concat!($section, ".", stringify!($key)), $crate::config::Whole::number(&self.$key), $least), )? )+
                ];
                let below = |&(key, number, least): &(&'static str, Option<u64>, u64)| {
                    number.filter(|number| *number < least).map(|number| (key, number, least))
                };
                rows.iter().filter_map(below).collect()
            }

            fn set(&mut self, key: &str, value: &toml::Value) -> Result<bool, $crate::config::Mismatch> {
                match key {
                    $( stringify!($key) => {
                        self.$key = <$type as $crate::config::Entry>::read(value).map_err(|found| {
                            $crate::config::Mismatch { $( expected: $crate::config::table::expects!($type, $least), )? ..found }
                        })?;
                    } )+
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

pub(crate) use expects;
pub(crate) use stage;
