//! Parquet, by the record interface: the columns that are used, row by row.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use super::Take;
use super::error::{DataError, Place};
use super::field;
use super::guarded;
use super::row::Columns;

/// Hands every row of `path` to `take`, until that says no.
pub(super) fn read(path: &Path, columns: &Columns<'_>, take: &mut Take<'_>) -> Result<(), DataError> {
    let damaged = |message| DataError::Parquet { path: path.to_path_buf(), message };
    guarded(|| decode(path, columns, take)).map_err(damaged)?
}

fn decode(path: &Path, columns: &Columns<'_>, take: &mut Take<'_>) -> Result<(), DataError> {
    let file = File::open(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
    let undecodable = |error: parquet::errors::ParquetError| DataError::Parquet {
        path: path.to_path_buf(),
        message: error.to_string(),
    };
    let reader = SerializedFileReader::new(file).map_err(undecodable)?;
    let schema = reader.metadata().file_metadata().schema_descr().root_schema_ptr();
    let projection = project(&schema, columns).map_err(undecodable)?;
    if projection.get_fields().is_empty() {
        return Err(DataError::NoProblem {
            place: Place::Row(path.to_path_buf(), 1),
            expected: columns.all().unwrap_or_default().join(", "),
            found: schema.get_fields().iter().map(|field| field.name()).collect::<Vec<_>>().join(", "),
        });
    }
    let rows = RowIter::from_file_into(Box::new(reader)).project(Some(projection)).map_err(undecodable)?;
    for (index, row) in rows.enumerate() {
        let place = || Place::Row(path.to_path_buf(), index + 1);
        let row = field::columns(&row.map_err(undecodable)?, &place)?;
        if !take(index + 1, columns.read(&row, &place))? {
            break;
        }
    }
    Ok(())
}

/// The schema with only the columns that may be read.
fn project(schema: &Arc<Type>, columns: &Columns<'_>) -> parquet::errors::Result<Type> {
    let wanted = columns.all();
    let read = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.contains(&name));
    let fields = schema.get_fields().iter().filter(|field| read(field.name())).cloned().collect();
    Type::group_type_builder(schema.name()).with_fields(fields).build()
}
