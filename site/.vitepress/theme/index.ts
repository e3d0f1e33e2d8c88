import DefaultTheme from "vitepress/theme";
import type { Theme } from "vitepress";
import MermaidDrawing from "./MermaidDrawing.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => void app.component("MermaidDrawing", MermaidDrawing),
} satisfies Theme;
