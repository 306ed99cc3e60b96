//! Parameters of a list as conditions, order and page. Pure: text in, [`Page`] out.
//!
//! The language of `filter`: `column.op(values)`, values in quotes or bare, as `name.in('a','b')`, `vcpu_count.ge(2)`,
//! `created_at.between('2026-01-01T00:00:00Z','2026-02-01T00:00:00Z')`. Several filters must all hold; with `filter_any=true` one is enough.

use chrono::{DateTime, NaiveDateTime, Utc};
use db::filter::{After, Clause, Column, Kind, Marker, Op, Page, Values, Where};
use serde_json::Value;

use crate::dispatch::model::{List, Marked};
use crate::dispatch::query::{Query, short};
use crate::error::{Error, Result};

/// The operators, by name, and how many values each takes.
const OPS: &[(&str, Op, std::ops::RangeInclusive<usize>)] = &[
    ("in", Op::In, 1..=MAX_VALUES),
    ("notin", Op::NotIn, 1..=MAX_VALUES),
    ("equals", Op::Equals, 1..=1),
    ("notequals", Op::NotEquals, 1..=1),
    ("contains", Op::Contains, 1..=MAX_VALUES),
    ("startswith", Op::StartsWith, 1..=MAX_VALUES),
    ("endswith", Op::EndsWith, 1..=MAX_VALUES),
    ("like", Op::Like, 1..=MAX_VALUES),
    ("gt", Op::Gt, 1..=1),
    ("ge", Op::Ge, 1..=1),
    ("lt", Op::Lt, 1..=1),
    ("le", Op::Le, 1..=1),
    ("between", Op::Between, 2..=2),
    ("isnull", Op::IsNull, 0..=0),
    ("isnotnull", Op::IsNotNull, 0..=0),
];
const MAX_VALUES: usize = 1000;
const MAX_FILTERS: usize = 32;

/// Everything that the parameters of a resource's list say.
///
/// # Errors
/// 400, naming the parameter, what was wrong and what would be right.
pub fn page_of<M: List>(query: &Query) -> Result<Page> {
    // Rows come whole either way: what is unknown here is a mistake all the same.
    query.flag("details")?;
    let mut query = query.clone();
    for (alias, column) in M::ALIASES {
        query = query.renamed(alias, column);
    }
    if let (Some(_), Some(order)) = (M::MARKED, query.one("paging_order").map(str::to_ascii_lowercase)) {
        query = query.with("order", order);
    }
    let mut page = page(&query, M::COLUMNS, M::SEARCH, M::ORDER)?;
    if let Some(column) = M::TIME {
        let column = named(column, M::COLUMNS, "since")?;
        for (parameter, op) in [("since", Op::Ge), ("until", Op::Lt)] {
            if let Some(text) = query.one(parameter) {
                page.base.clauses.push(clause(column, op, vec![text.to_owned()], parameter)?);
            }
        }
    }
    if let Some(text) = query.one("paging_marker") {
        let marked = M::MARKED.ok_or_else(|| {
            let plural = <M::Api as api::Resource>::PLURAL;
            Error::input(format!("paging_marker: {plural} are paged by limit and offset"))
        })?;
        page.after = After(Some(marker(text, marked, M::COLUMNS, &page)?));
    }
    Ok(page)
}

fn marker(text: &str, marked: Marked, columns: &[Column], page: &Page) -> Result<Marker> {
    let (field, unique) =
        (named(marked.field, columns, "paging_marker")?, named(marked.unique, columns, "paging_marker")?);
    let [(column, descending)] = page.order.as_slice() else {
        return Err(Error::input("paging_marker: give no order_by, or marker_field"));
    };
    if *column != field {
        return Err(Error::input(format!("paging_marker: goes by {} only, not by {}", field.name, column.name)));
    }
    if page.offset != 0 {
        return Err(Error::input("paging_marker: takes no offset, it says itself where to go on"));
    }
    let wrong = || Error::input(format!("paging_marker: '{}' is no next_marker of this list", short(text)));
    let value = |column: Column, text: &str| typed(column, vec![text.to_owned()], "paging_marker").map_err(|_| wrong());
    let columns = if field == unique {
        vec![(field.sql, value(field, text)?)]
    } else {
        let (first, last) = text.split_once('_').ok_or_else(wrong)?;
        vec![(field.sql, value(field, first)?), (unique.sql, value(unique, last)?)]
    };
    Ok(Marker { columns, descending: *descending })
}

/// Where the next page begins, if there may be one: `next_marker`, `marker_field`, `marker_order`. `rows` are the views.
pub fn next_marker(marked: Marked, page: &Page, rows: &[Value]) -> Option<(String, &'static str, &'static str)> {
    let [(column, descending)] = page.order.as_slice() else { return None };
    let full = i64::try_from(rows.len()).is_ok_and(|n| n >= page.limit);
    if column.name != marked.field || page.offset != 0 || !full {
        return None;
    }
    let text = |key: &str| match rows.last()?.get(key)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let marker = match marked.shown {
        (field, unique) if field == unique => text(field)?,
        (field, unique) => format!("{}_{}", text(field)?, text(unique)?),
    };
    Some((marker, marked.field, if *descending { "DESC" } else { "ASC" }))
}

/// The parameters that every list understands.
///
/// # Errors
/// As [`page_of`].
pub fn page(query: &Query, columns: &[Column], search: &[&str], order: (&str, bool)) -> Result<Page> {
    let (limit, offset) = query.page()?;
    let mut base = Vec::new();
    for column in columns {
        let values = query.many(column.name);
        if !values.is_empty() {
            base.push(clause(*column, Op::In, values.into_iter().map(str::to_owned).collect(), column.name)?);
        }
    }
    let mut filter = Where { clauses: Vec::new(), any: query.flag("filter_any")?.unwrap_or(false) };
    let filters = query.many("filter");
    if filters.len() > MAX_FILTERS {
        return Err(Error::input(format!("filter: at most {MAX_FILTERS} are allowed")));
    }
    for text in filters {
        filter.clauses.push(parse(text, columns)?);
    }
    if let Some(text) = query.one("search") {
        // Any of the columns may hold it: that is one more condition, so the filters go below it.
        let found = searched(text, columns, search)?;
        if filter.clauses.is_empty() {
            filter = found;
        } else if filter.any {
            return Err(Error::input("search and filter_any can't be combined: write the search as a filter"));
        } else {
            base.append(&mut filter.clauses);
            filter = found;
        }
    }
    let order = ordered(query, columns, order)?;
    Ok(Page { base: Where::all(base), filter, after: After(None), known_total: None, order, limit, offset })
}

fn searched(text: &str, columns: &[Column], search: &[&str]) -> Result<Where> {
    let mut clauses = Vec::new();
    for column in columns.iter().filter(|c| search.contains(&c.name)) {
        match column.kind {
            Kind::Text => clauses.push(clause(*column, Op::Contains, vec![text.to_owned()], "search")?),
            // A text that is no id is in none.
            _ => clauses.extend(clause(*column, Op::Equals, vec![text.to_owned()], "search").ok()),
        }
    }
    Ok(Where { clauses, any: true })
}

fn ordered(query: &Query, columns: &[Column], default: (&str, bool)) -> Result<Vec<(Column, bool)>> {
    let directions = query.many("order");
    if let Some(wrong) = directions.iter().find(|d| !["asc", "desc"].contains(d)) {
        return Err(Error::input(format!("order: '{}': allowed are asc, desc", short(wrong))));
    }
    let wanted = query.many("order_by");
    if wanted.is_empty() {
        let descending = directions.first().map_or(default.1, |d| *d == "desc");
        return Ok(vec![(named(default.0, columns, "order_by")?, descending)]);
    }
    wanted
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let direction = directions.get(n).or(directions.last());
            Ok((named(name, columns, "order_by")?, direction == Some(&"desc")))
        })
        .collect()
}

fn named(name: &str, columns: &[Column], parameter: &str) -> Result<Column> {
    columns.iter().find(|c| c.name == name).copied().ok_or_else(|| {
        let allowed: Vec<&str> = columns.iter().map(|c| c.name).collect();
        Error::input(format!("{parameter}: unknown column '{}': allowed are {}", short(name), allowed.join(", ")))
    })
}

fn parse(text: &str, columns: &[Column]) -> Result<Clause> {
    let wrong = || Error::input(format!("filter: '{}' is not like column.op(values): name.in('a','b')", short(text)));
    let (head, rest) = text.trim().split_once('(').ok_or_else(wrong)?;
    let inner = rest.strip_suffix(')').ok_or_else(wrong)?;
    let (column, op) = head.rsplit_once('.').ok_or_else(wrong)?;
    let column = named(column.trim(), columns, "filter")?;
    let found = OPS.iter().find(|(name, ..)| *name == op.trim());
    let (name, op, count) = found.ok_or_else(|| {
        let allowed: Vec<&str> = OPS.iter().map(|(name, ..)| *name).collect();
        Error::input(format!("filter: unknown operator '{}': allowed are {}", short(op), allowed.join(", ")))
    })?;
    let values = values(inner).ok_or_else(wrong)?;
    if !count.contains(&values.len()) {
        return Err(Error::input(format!(
            "filter: {name} takes {} to {} values, not {}",
            count.start(),
            count.end(),
            values.len()
        )));
    }
    clause(column, *op, values, "filter")
}

/// `'a', "b", c`. A quote within quotes is doubled or follows a backslash.
fn values(text: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let mut chars = text.trim().chars().peekable();
    if chars.peek().is_none() {
        return Some(values);
    }
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut value = String::new();
        match chars.next_if(|c| matches!(c, '\'' | '"')) {
            Some(quote) => loop {
                match chars.next()? {
                    '\\' => value.push(chars.next()?),
                    c if c == quote => match chars.next_if_eq(&quote) {
                        Some(doubled) => value.push(doubled),
                        None => break,
                    },
                    c => value.push(c),
                }
            },
            None => {
                while let Some(c) = chars.next_if(|c| *c != ',') {
                    value.push(c);
                }
                value.truncate(value.trim_end().len());
                if value.is_empty() || value.contains(['\'', '"', '(', ')']) {
                    return None;
                }
            }
        }
        values.push(value);
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.next() {
            None => return Some(values),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

fn clause(column: Column, op: Op, texts: Vec<String>, parameter: &str) -> Result<Clause> {
    let values = match op {
        Op::IsNull | Op::IsNotNull => Values::Text(texts),
        Op::Contains | Op::StartsWith | Op::EndsWith | Op::Like => {
            if column.kind != Kind::Text {
                return Err(Error::input(format!(
                    "{parameter}: {} is no text: compare it with equals, gt, lt or in",
                    column.name
                )));
            }
            Values::Text(texts.into_iter().map(|text| pattern(op, &text)).collect())
        }
        Op::In | Op::NotIn | Op::Equals | Op::NotEquals | Op::Gt | Op::Ge | Op::Lt | Op::Le | Op::Between => {
            typed(column, texts, parameter)?
        }
    };
    Ok(Clause { column, op, values })
}

fn pattern(op: Op, text: &str) -> String {
    let literal = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    match op {
        Op::StartsWith => format!("{literal}%"),
        Op::EndsWith => format!("%{literal}"),
        // A backslash at the end would escape nothing, which Postgres refuses.
        Op::Like if text.ends_with('\\') => format!("{text}\\"),
        Op::Like => text.to_owned(),
        _ => format!("%{literal}%"),
    }
}

fn typed(column: Column, texts: Vec<String>, parameter: &str) -> Result<Values> {
    fn all<T>(
        texts: &[String],
        parameter: &str,
        column: Column,
        what: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>> {
        let one = |text: &String| {
            let wrong = || Error::input(format!("{parameter}: {} '{}' is not {what}", column.name, short(text)));
            read(text).ok_or_else(wrong)
        };
        texts.iter().map(one).collect()
    }
    Ok(match column.kind {
        Kind::Text => {
            if let Some(wrong) = texts.iter().find(|t| !column.words.is_empty() && !column.words.contains(&t.as_str()))
            {
                return Err(Error::input(format!(
                    "{parameter}: unknown {} '{}': allowed are {}",
                    column.name,
                    short(wrong),
                    column.words.join(", ")
                )));
            }
            Values::Text(texts)
        }
        Kind::Integer => Values::Integer(all(&texts, parameter, column, "a whole number", |t| t.parse().ok())?),
        Kind::Float => Values::Float(all(&texts, parameter, column, "a number", |t| t.parse().ok())?),
        Kind::Boolean => Values::Boolean(all(&texts, parameter, column, "true or false", |t| match t {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        })?),
        Kind::Time => Values::Time(all(&texts, parameter, column, "a time like 2026-01-31T12:00:00Z", time)?),
        Kind::Id => Values::Id(all(&texts, parameter, column, "an id (a UUID)", |t| t.parse().ok())?),
    })
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let plain = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    plain
        .or_else(|| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .map(|t| t.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::new("name", "t.name", Kind::Text),
        Column::words("status", "t.status", &["up", "down"]),
        Column::new("size", "t.size", Kind::Integer),
        Column::new("at", "t.at", Kind::Time),
    ];

    fn of(raw: &str) -> Result<Page> {
        page(&Query::parse(raw).unwrap(), COLUMNS, &["name"], ("name", false))
    }

    fn only(raw: &str) -> Clause {
        of(raw).unwrap().filter.clauses.remove(0)
    }

    #[test]
    fn clauses_are_read() {
        let clause = only("filter.0=name.in('a','it''s',\"b, c\")");
        assert_eq!((clause.op, clause.values), (Op::In, Values::Text(vec!["a".into(), "it's".into(), "b, c".into()])));
        let clause = only("filter=size.ge(2)");
        assert_eq!((clause.op, clause.values), (Op::Ge, Values::Integer(vec![2])));
        let clause = only("filter=name.contains('50%25_')");
        assert_eq!(clause.values, Values::Text(vec!["%50\\%\\_%".into()]));
        let clause = only("filter=at.between('2026-01-01','2026-01-02 03:04:05')");
        assert!(matches!(clause.values, Values::Time(times) if times.len() == 2 && times[0] < times[1]));
        assert_eq!(only("filter=name.isnull()").op, Op::IsNull);
    }

    #[test]
    fn what_can_not_be_read_is_named() {
        for (raw, part) in [
            ("filter=name", "column.op(values)"),
            ("filter=name.in('a'", "column.op(values)"),
            ("filter=name.in('a' 'b')", "column.op(values)"),
            ("filter=name.in(a;drop table x)", "t.name"),
            ("filter=evil.in('a')", "allowed are name, status, size, at"),
            ("filter=name.regexp('a')", "unknown operator 'regexp'"),
            ("filter=name.in()", "takes 1 to"),
            ("filter=size.gt('x')", "size 'x' is not a whole number"),
            ("filter=size.contains('1')", "is no text"),
            ("filter=status.equals('sideways')", "allowed are up, down"),
            ("status.0=sideways", "allowed are up, down"),
            ("filter=at.gt('yesterday')", "is not a time"),
            ("order_by=evil", "allowed are"),
            ("order=up", "allowed are asc, desc"),
        ] {
            match of(raw) {
                Err(error) => assert!(error.details.contains(part), "{raw}: {}", error.details),
                // Odd text in a bare value is a value like any other: it is bound, never part of the statement.
                Ok(page) => {
                    assert_eq!(page.filter.clauses[0].values, Values::Text(vec!["a;drop table x".into()]), "{raw}")
                }
            }
        }
    }

    #[test]
    fn orders_default_and_follow() {
        assert_eq!(of("").unwrap().order, [(COLUMNS[0], false)]);
        assert_eq!(
            of("order_by.0=size&order_by.1=name&order=desc").unwrap().order,
            [(COLUMNS[2], true), (COLUMNS[0], true)]
        );
    }

    #[test]
    fn a_search_and_filters_must_both_hold() {
        let page = of("search=x&filter=size.gt(1)&status=up").unwrap();
        assert_eq!((page.base.clauses.len(), page.filter.clauses.len(), page.filter.any), (2, 1, true));
    }
}
