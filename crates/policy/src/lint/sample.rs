//! Concrete texts that a pattern of a policy matches.

/// The value that takes the place of a policy variable; also the name in the ARNs of targets, so
/// that a variable in a resource can be that name.
pub(super) const VALUE: &str = "any-name";
/// A value that no policy names by chance.
pub(super) const OTHER_VALUE: &str = "any-other-value";
/// An ARN that no policy names by chance.
pub(super) const OTHER_ARN: &str = "arn:aws:iam::444455556666:role/any-other-name";

/// Returns a text that the pattern matches: each variable has the value [`VALUE`], each `*` becomes
/// `any`, each `?` becomes `x`.
pub(super) fn fill(pattern: &str) -> String {
    fill_with(pattern, &|character| match character {
        '*' => "any".to_owned(),
        '?' => "x".to_owned(),
        other => other.to_string(),
    })
}

/// Returns an ARN that the pattern of an ARN matches.
pub(super) fn fill_arn(pattern: &str) -> String {
    let pieces = crate::arn::split(pattern);
    match pieces.as_slice() {
        [fields @ .., resource] if pieces.len() == crate::arn::PIECES => {
            format!("{}:{}", fill_fields(fields), fill(resource))
        }
        _ => fill(pattern),
    }
}

/// Returns the fields of an ARN before the resource; a field that is a pattern gets a usual value
/// where the pattern matches it.
pub(super) fn fill_fields(fields: &[&str]) -> String {
    let usual = ["arn", "aws", "s3", "us-east-1", "444455556666"];
    let filled: Vec<String> = fields
        .iter()
        .zip(usual)
        .map(|(field, usual)| {
            let pattern = field.contains(['*', '?']);
            if pattern && crate::pattern::matches(field, usual) {
                usual.to_owned()
            } else {
                fill(field)
            }
        })
        .collect();
    filled.join(":")
}

/// Returns a text that the pattern matches and that its author may not expect: a `*` becomes text
/// with a `/`, a `?` becomes a `/`.
pub(super) fn fill_surprisingly(pattern: &str) -> String {
    fill_with(pattern, &|character| match character {
        '*' => "any/thing".to_owned(),
        '?' => "/".to_owned(),
        other => other.to_string(),
    })
}

/// Returns the text with [`VALUE`] for each variable; `*` and `?` stay as they are.
pub(super) fn fill_variables(text: &str) -> String {
    fill_with(text, &|character| character.to_string())
}

fn fill_with(text: &str, outside: &dyn Fn(char) -> String) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        filled.extend(rest[..start].chars().map(outside));
        let Some(end) = rest[start..].find('}') else {
            return filled + &rest[start..];
        };
        match &rest[start + 2..start + end] {
            escape @ ("*" | "?" | "$") => filled.push_str(escape),
            _ => filled.push_str(VALUE),
        }
        rest = &rest[start + end + 1..];
    }
    filled.extend(rest.chars().map(outside));
    filled
}

/// Returns the keys of the variables in a text.
pub(super) fn variables(text: &str) -> Vec<String> {
    text.match_indices("${")
        .filter_map(|(at, _)| {
            let inside = &text[at + 2..];
            let key = &inside[..inside.find([',', '}'])?];
            (!matches!(key, "*" | "?" | "$" | "")).then(|| key.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{fill, fill_variables, variables};

    #[test]
    fn wildcards_variables_and_escapes_are_filled() {
        assert_eq!(fill("a/*-?/${aws:username}/${*}"), "a/any-x/any-name/*");
        assert_eq!(fill_variables("a*/${t:k, 'd'}"), "a*/any-name");
        assert_eq!(fill("a${b"), "a${b");
        assert_eq!(variables("${a:b}-${*}-${c:d, 'x'}"), ["a:b", "c:d"]);
    }
}
