//! A page as a picture.

use image::RgbImage;
use pdfium_render::prelude::{PdfPage, PdfRenderConfig, PdfiumError};

/// Pixels per point: 200 dots per inch, as documents are scanned.
const SCALE: f32 = 200.0 / 72.0;

/// Renders a page, with annotations, on white.
pub(super) fn render(page: &PdfPage<'_>) -> Result<RgbImage, PdfiumError> {
    let (width, height) = (page.width().value, page.height().value);
    let scale = SCALE.min(ocr::MAX_SIDE as f32 / width.max(height).max(1.0));
    let pixels = |points: f32| (points * scale).round().max(1.0) as i32;
    let config = PdfRenderConfig::new().set_fixed_size(pixels(width), pixels(height));
    let bitmap = page.render_with_config(&config)?;
    let (width, height) = (u32::try_from(bitmap.width()), u32::try_from(bitmap.height()));
    let (width, height) = (width.unwrap_or_default(), height.unwrap_or_default());
    let rgba = bitmap.as_rgba_bytes();
    let rgb =
        rgba.as_chunks::<4>().0.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect();
    Ok(RgbImage::from_raw(width, height, rgb).unwrap_or_default())
}
