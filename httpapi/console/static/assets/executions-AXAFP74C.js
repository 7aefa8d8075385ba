import{a,b}from"./chunk-CIWWLGOD.js";import"./chunk-3OUAWMNY.js";import"./chunk-R7GRTVJJ.js";import"./chunk-4HLB2QMU.js";export{b as default,a as executionColumns};
