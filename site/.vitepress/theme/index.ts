import DefaultTheme from "vitepress/theme";
import type { Theme } from "vitepress";
import { h } from "vue";
import InstallLine from "./InstallLine.vue";
import MermaidDrawing from "./MermaidDrawing.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { "home-hero-info-after": () => h(InstallLine) }),
  enhanceApp: ({ app }) => void app.component("MermaidDrawing", MermaidDrawing),
} satisfies Theme;
