//! The objectives that a program knows: the built-in ones, and those that it registered.

use std::sync::{PoisonError, RwLock};

use crate::catalog::{RECIPES, Recipe};
use crate::objective::Objective;
use crate::option::OptionError;

/// Registered recipes, oldest first. They live as long as the program, as the built-in ones do.
static OWN: RwLock<Vec<&'static Recipe>> = RwLock::new(Vec::new());

/// Why an objective was not registered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another objective has the key.
    #[error("there is already an objective `{0}`; register this one under another key")]
    Taken(&'static str),
    /// The key would not read in files, folders and on the command line.
    #[error("`{0}` is no key for an objective; take small letters, digits and underscores, as in my_objective")]
    Key(&'static str),
    /// An option's key is that of another key of `[objective]`, or stands there twice.
    #[error("objective {objective}: option `{key}` has a key that is taken in [objective]; name it otherwise")]
    Option {
        /// The objective.
        objective: &'static str,
        /// The option.
        key: &'static str,
    },
    /// An option's default is outside of its own range.
    #[error("objective {objective}: {error}; that is its default")]
    Default {
        /// The objective.
        objective: &'static str,
        /// What is wrong with it.
        error: OptionError,
    },
}

/// Makes an objective of one's own known by its key: to [`crate::Objective::named`], and so to configurations, commands and reports. To be
/// called before any of them is read; see [`crate::control::Surrogate`] for an example.
///
/// # Errors
/// [`RegisterError`] for a key that another objective has, or keys that cannot be written in a configuration.
pub fn register(recipe: Recipe) -> Result<(), RegisterError> {
    let key = recipe.key;
    let readable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if key.is_empty() || !key.chars().all(readable) {
        return Err(RegisterError::Key(key));
    }
    let mut own = OWN.write().unwrap_or_else(PoisonError::into_inner);
    if RECIPES.iter().chain(own.iter().copied()).any(|known| known.key == key) {
        return Err(RegisterError::Taken(key));
    }
    check_options(&recipe)?;
    own.push(Box::leak(Box::new(recipe)));
    Ok(())
}

fn check_options(recipe: &Recipe) -> Result<(), RegisterError> {
    let objective = recipe.key;
    let mut control = recipe.control.clone();
    let settings = crate::option::list_settings(control.options());
    for (index, setting) in settings.iter().enumerate() {
        let twice = settings[..index].iter().any(|other| other.key == setting.key);
        if twice || setting.key == "name" || Objective::SHARED.contains(&setting.key) {
            return Err(RegisterError::Option { objective, key: setting.key });
        }
        crate::option::set(control.options(), objective, setting.key, &setting.value)
            .map_err(|error| RegisterError::Default { objective, error })?;
    }
    Ok(())
}

/// Every objective that [`crate::Objective::named`] knows: the built-in ones, then those that were registered.
pub fn recipes() -> Vec<&'static Recipe> {
    let own = OWN.read().unwrap_or_else(PoisonError::into_inner);
    RECIPES.iter().chain(own.iter().copied()).collect()
}
