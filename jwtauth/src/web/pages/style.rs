//! How the ready-made pages look: one style sheet, with the colours of the browser's own pages.

use poem::Response;
use poem::http::header;

use crate::error::ConfigError;

const SHEET: &str = include_str!("../../../templates/style.css");

/// The style sheet.
pub(super) struct Style(String);

impl Default for Style {
    fn default() -> Self {
        Self::of([0x0b, 0x57, 0xd0])
    }
}

impl Style {
    pub(super) fn with_accent(colour: &str) -> Result<Self, ConfigError> {
        let digits = colour.strip_prefix('#').filter(|digits| digits.len() == 6);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, red, green, blue] = number
            .ok_or_else(|| ConfigError::setting("the colour of the pages", colour, "write it as `#rrggbb`"))?
            .to_be_bytes();
        Ok(Self::of([red, green, blue]))
    }

    fn of(accent: [u8; 3]) -> Self {
        let [red, green, blue] = accent;
        let text = if luminance(accent) > 0.179 { "#000" } else { "#fff" };
        Self(format!(":root {{ --accent: #{red:02x}{green:02x}{blue:02x}; --on-accent: {text}; }}\n{SHEET}"))
    }

    /// Answers with the sheet.
    pub(super) fn sheet(&self) -> Response {
        Response::builder()
            .content_type("text/css; charset=utf-8")
            .header(header::CACHE_CONTROL, "max-age=3600")
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .body(self.0.clone())
    }
}

/// The relative luminance of a colour (WCAG 2.2). Above 0.179 black stands out more than white.
fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_out_on_any_accent() {
        for (colour, text) in
            [("#000000", "#fff"), ("#ffffff", "#000"), ("#0b57d0", "#fff"), ("#FFD700", "#000")]
        {
            let Style(sheet) = Style::with_accent(colour).unwrap();
            let start = format!(":root {{ --accent: {}; --on-accent: {text}; }}", colour.to_lowercase());
            assert!(sheet.starts_with(&start), "{sheet}");
        }
        for bad in ["", "red", "#12345", "#1234567", "#12345g", "#+12345", "0b57d0"] {
            assert!(Style::with_accent(bad).is_err(), "{bad}");
        }
    }
}
