// Arrowheads of sequence diagrams in the colour of their lines: the theme's own rule knows only an older Mermaid's name.
const initialize = mermaid.initialize
mermaid.initialize = (config) =>
  initialize({
    ...config,
    themeCSS: `${config.themeCSS} [id$="arrowhead"] path { fill: var(--md-mermaid-sequence-message-line-color) }`,
  })
