// @ts-check
// What every page does.
import { forgetDraftsAtSignOut } from "./drafts.js";
import { startKeys } from "./keys.js";
import { startLimits } from "./limits.js";
import { startMenus } from "./menus.js";
import { startPalette } from "./palette.js";
import { startPanels } from "./panels.js";
import { startSidebar } from "./sidebar.js";
import { startThemeSwitch } from "./theme.js";
import { localizeTimes } from "./times.js";
import { startTitles } from "./titles.js";

startThemeSwitch();
startMenus();
if (!document.querySelector("[data-workspace]")) startPanels(); // else workspace.js does
startSidebar();
startLimits();
startKeys();
startPalette();
startTitles();
localizeTimes(document);
forgetDraftsAtSignOut();
