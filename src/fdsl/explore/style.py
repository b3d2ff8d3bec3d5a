"""How the page looks, and the few lines of JavaScript it needs: all of it in the page, nothing from elsewhere."""

from __future__ import annotations

import gradio as gr

FONT = ("system-ui", "-apple-system", "Segoe UI", "sans-serif")
MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Return the page's theme: fonts of the system, which no server has to be asked for."""
    return gr.themes.Base(
        primary_hue="blue", neutral_hue="slate", radius_size="sm", spacing_size="sm", text_size="sm",
        font=FONT, font_mono=MONO,
    )  # fmt: skip


CSS = """
.fdsl-head h1 { font-size: 1.25rem; font-weight: 600; margin: 0; }
.fdsl-head p, .fdsl-hint { color: var(--body-text-color-subdued); margin: 0.15rem 0 0; }
.fdsl-figure { margin: 0 0 0.5rem; min-width: 0; }
.fdsl-title { font-weight: 600; margin: 0 0 0.35rem; overflow-wrap: anywhere; }
.fdsl-picture { display: block; max-width: 100%; height: auto; }
.fdsl-picture[data-rows] { cursor: zoom-in; }
.fdsl-figure figcaption { display: flex; flex-wrap: wrap; gap: 0.15rem 1rem; margin-top: 0.35rem;
  color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }
.fdsl-figure figcaption > * { margin: 0; padding: 0; font-size: inherit; color: inherit; }
.fdsl-figure figcaption .fdsl-download { color: var(--link-text-color); text-decoration: underline; }
.fdsl-pair { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
.fdsl-pair.fdsl-two > figure { flex: 1 1 300px; }
.fdsl-lines { max-height: 22rem; overflow: auto; margin: 0; padding: 0.5rem; white-space: pre-wrap;
  overflow-wrap: anywhere; font-family: var(--font-mono); background: var(--background-fill-secondary);
  border: 1px solid var(--border-color-primary); }
.fdsl-error { padding: 0.5rem 0.75rem; overflow-wrap: anywhere; border-left: 4px solid #dc2626;
  background: color-mix(in srgb, #dc2626 12%, var(--background-fill-primary)); }
.fdsl-wait { padding: 0.5rem 0.75rem; border-left: 4px solid #2563eb;
  background: color-mix(in srgb, #2563eb 10%, var(--background-fill-primary)); }
.fdsl-about table { width: 100%; border-collapse: collapse; margin-top: 0.5rem; }
.fdsl-about td { vertical-align: top; padding: 0.2rem 0.6rem 0.2rem 0; overflow-wrap: anywhere; }
.fdsl-about td:first-child { font-family: var(--font-mono); }
footer { display: none !important; }
/* What is shown stays in sight while the controls scroll. Where the container hides its overflow nothing sticks to the
   window; Gradio takes a rule for the container outside @media only. */
.gradio-container { overflow: clip !important; }
@media (min-width: 701px) {
  #shown { position: sticky; top: 0; align-self: flex-start; max-height: 100vh; overflow-y: auto; flex-wrap: nowrap; }
  #shown > * { flex-shrink: 0; }
}
@media (max-width: 700px) {
  /* one column: the view, then the pictures, which stay in sight while the controls move below them */
  #explorer { flex-direction: column; flex-wrap: nowrap; align-items: stretch; }
  #explorer > *, #shown > * { min-width: 0 !important; }
  #shown { display: contents; }
  #shown > :has(#view) { order: -4; }
  #shown > #pictures { order: -3; position: sticky; top: 0; z-index: 50; max-height: 55vh;
    overflow: hidden auto !important; overscroll-behavior: contain;
    background: var(--body-background-fill) !important; border-bottom: 1px solid var(--border-color-primary); }
  #shown > #message { order: -2; }
  #shown > .row { order: -1; }
  .fdsl-picture { max-height: 40vh; width: auto; }
  .fdsl-hint { display: none; }
}
"""

PICTURES_JS = """
element.addEventListener('click', (event) => {
  const link = event.target.closest('.fdsl-download');
  if (link) {
    link.href = link.closest('figure').querySelector('img').src;
    return;
  }
  const picture = event.target.closest('.fdsl-picture[data-rows]');
  if (!picture) return;
  const box = picture.getBoundingClientRect();
  const place = (part, count) => Math.min(count - 1, Math.max(0, Math.floor(part * count)));
  trigger('click', {
    row: place((event.clientY - box.top) / box.height, Number(picture.dataset.rows)),
    column: place((event.clientX - box.left) / box.width, Number(picture.dataset.columns)),
  });
});
"""
"""A click on a sheet tells which image was meant; a click on a link saves the very picture that is shown."""
