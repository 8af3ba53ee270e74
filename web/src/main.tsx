import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./page/App";
import { showTheme } from "./page/theme";
import { Client, ClientProvider } from "./store/client";
import "./styles.css";

showTheme();
const client = new Client();
client.start();

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <ClientProvider value={client}>
        <App />
      </ClientProvider>
    </StrictMode>,
  );
