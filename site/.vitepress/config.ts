import { existsSync, readFileSync } from "node:fs";
import { defineConfig, type DefaultTheme } from "vitepress";

const written = <Value>(name: string): Value | undefined => {
  const file = new URL(`../.scratch/${name}`, import.meta.url);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Value) : undefined;
};
const pages = written<DefaultTheme.SidebarItem[]>("menu.json") ?? [];
const symbols = written<DefaultTheme.SidebarItem[]>("api/typedoc-sidebar.json") ?? [];

const base = process.env["DOCS_BASE"] ?? "/";

export default defineConfig({
  title: "PenguiFlow",
  description: "Typed graphs of async functions for LLM agents and data pipelines",
  lang: "en",
  base,
  head: [["link", { rel: "icon", type: "image/svg+xml", href: `${base}logo.svg` }]],
  srcDir: ".scratch",
  cleanUrls: true,
  lastUpdated: false,
  markdown: {
    theme: { light: "github-light", dark: "github-dark" },
    languageAlias: { mts: "ts" },
    config(markdown) {
      const fence = markdown.renderer.rules.fence;
      markdown.renderer.rules.fence = (tokens, index, ...rest) => {
        const token = tokens[index];
        if (token?.info.trim() === "mermaid") {
          return `<MermaidDrawing text="${encodeURIComponent(token.content)}" />`;
        }
        return fence?.(tokens, index, ...rest) ?? "";
      };
    },
  },
  themeConfig: {
    logo: "/logo.svg",
    nav: [
      { text: "Learn", link: "/learn/1-first-flow", activeMatch: "/learn/" },
      { text: "Guides", link: "/all", activeMatch: "/guides/|/all" },
      { text: "Reference", link: "/reference/options", activeMatch: "/reference/" },
      { text: "API", link: "/api/", activeMatch: "/api/" },
      { text: "Examples", link: "/examples/", activeMatch: "/examples/" },
    ],
    sidebar: { "/api/": symbols.map((module) => ({ ...module, collapsed: false })), "/": pages },
    outline: { level: [2, 3] },
    search: {
      provider: "local",
      options: {
        detailedView: true,
        // Who searches for words wants to read first; who searches for a name finds it all the same.
        miniSearch: { searchOptions: { boostDocument: (page: string) => (page.startsWith("/api/") ? 0.3 : 1) } },
      },
    },
    docFooter: { prev: "Before", next: "Next" },
    footer: { message: "MIT License" },
  },
});
