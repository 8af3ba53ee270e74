import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = process.env.VGPROJECT_SERVER ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    outDir: "../src/vgproject/web/dist",
    emptyOutDir: true,
    target: "es2022",
    // The content security policy forbids what is inline, and a hash needs a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/v1": { target: server, ws: true }, "/sign-in": server } },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
